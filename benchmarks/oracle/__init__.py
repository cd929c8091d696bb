"""What a searcher could learn of the word list from what is shown of the counts."""
