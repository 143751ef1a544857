"""One picture of the whole, made once from both sides: parties, logons, what became of each request, how connections ended."""
