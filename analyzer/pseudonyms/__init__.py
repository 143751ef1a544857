"""Names in what is shared, replaced by others: the same name by the same one everywhere, of equal length, by a key; see `docs/pseudonyms.md`."""
