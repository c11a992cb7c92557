"""HL7 v2 messages as bytes: split by position, read lazily, changed without moving another byte."""
