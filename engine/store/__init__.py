"""The databases behind the seams Log, Wire and Store."""
