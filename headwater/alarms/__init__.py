"""Alarms and the people who hear of them: routes, groups, mutes, and notifications that are sent once."""
