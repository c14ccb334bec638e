"""What can be read in a text, English and Spanish: dates, times, durations, numbers, currencies, yes and no, each with its place."""
