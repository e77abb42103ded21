"""Ways to tell receivers of alarms: e-mail, chat programs, pagers, other alarm managers."""
