"""Labels given to rows one by one, and read from files."""
