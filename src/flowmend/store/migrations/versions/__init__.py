"""One file for each step from one set of tables to the next, in order of their numbers."""
