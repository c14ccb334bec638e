"""What a base practises beside notes: copying, odd spellings, the vocabulary, other people's schemas."""
