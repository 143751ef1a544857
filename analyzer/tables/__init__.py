"""The public tables: one file per table, each a declaration that gives the DataFrame, the files and docs/tables.md alike.

`column` says what a column is; `registry` lists the tables; `frames` makes DataFrames; `texts` writes CSV and JSON; `query` runs SQL and writes Parquet.
"""
