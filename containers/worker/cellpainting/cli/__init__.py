"""The command `cpb`: one file per group of commands, which parse, call the library and print."""
