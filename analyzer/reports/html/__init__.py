"""The report: one HTML page that needs nothing else. `page` makes it; each other file gathers what one section shows, from the cells of the tables."""
