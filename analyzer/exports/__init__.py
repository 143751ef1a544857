"""The formats of other tools, one file each. They are made of the tables' cells (so also of a case folder), the HAR and the slice of the captures themselves.

Nothing reads an export back, and no stage knows of them.
"""
