"""How the command line draws: tables, cards and pictures that fit a terminal."""
