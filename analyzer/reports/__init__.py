"""What people read: one file per format. `terminal` is the first screen of `analyze`, `ladder` the sequence diagram, `grid` a table on a terminal."""
