"""The command line: a file for each group of commands; each parses, calls and prints."""
