package syntax

// Closest returns the candidate that name was probably meant to be, or "".
func Closest(name string, candidates []string) string {
	best, bound := "", len(name)/3+1
	for _, c := range candidates {
		if d := Distance(name, c); d <= bound && d < max(len(name), len(c)) {
			best, bound = c, d-1
		}
	}
	return best
}

// Distance is the edit distance of two short texts, where swapping two
// neighbours is one edit (Damerau, optimal string alignment). Texts over 64
// bytes are far from everything.
func Distance(a, b string) int {
	const longest = 64
	if len(a) > longest || len(b) > longest {
		return longest
	}
	var before, prev, row [longest + 1]int
	for j := range len(b) + 1 {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev = prev, row
	}
	return prev[len(b)]
}
