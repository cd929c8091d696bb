"""The profile `extended`: entries of the word list behind disguises, beside the profile `paper`."""
