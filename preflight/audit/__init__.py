"""Many jobs at once: rows in, one report per row out, nothing lost and nothing double."""
