"""Backstory: an HL7 v2 interface engine that puts the patient's story on the radiologist's worklist."""

__version__ = "0.1.0"
