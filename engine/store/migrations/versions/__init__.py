"""The revisions, one branch for each file: journal_0001, journal_0002...; store_0001, store_0002..."""
