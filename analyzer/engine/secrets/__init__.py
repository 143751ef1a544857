"""The investigator's secrets, in the forms in which tools write them: `formats` is the table, `load` reads."""
