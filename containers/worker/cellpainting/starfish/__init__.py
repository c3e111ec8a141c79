"""Fields of view decoded by recipes of users, in a process that is kept from everything else, and merged."""
