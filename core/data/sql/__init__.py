"""What a person types: SQL over versions and nothing else, and conditions that choose rows."""
