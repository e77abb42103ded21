"""Online features: the newest values of entities, how they get there, and how a request reads them."""
