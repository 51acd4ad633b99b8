"""What everything stands on: paths, records, the machine and its devices."""
