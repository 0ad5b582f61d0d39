package syntax

// Check refuses what is wrong with a rule's pattern as a whole.
func Check(d *Rule) []Problem { return nil }

// Saved refuses what may be checked and tried but not saved.
func Saved(d *Rule) []Problem { return nil }
