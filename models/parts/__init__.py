"""The parts that an architecture is put together from, one file for each choice that a visitor can make."""
