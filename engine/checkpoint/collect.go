package checkpoint

import (
	"errors"
	"slices"
)

// collect removes what no checkpoint needs: manifests before the kept ones,
// and files that no manifest names.
//
// Others may be at work: an owner that is fenced and does not know it yet, and
// its successor, which restores from a manifest it has read. A fenced owner
// ends at most the one save that it had begun. So the files of a manifest go
// one save after the manifest: only an owner that has committed since gets
// there, and its successor begins after that. And files as new as the oldest
// kept checkpoint are let alone, whatever a listing that is behind the times
// does not show: somebody may have named them, or be about to.
func (s *saving) collect() error {
	var released []*Manifest
	if extra := len(s.whole) - s.opts.Keep; extra > 0 {
		released, s.whole = slices.Clone(s.whole[:extra]), slices.Clone(s.whole[extra:])
	}
	blobs, err := s.opts.Blobs.List(s.name + "/")
	if err != nil {
		return err
	}
	oldest := s.whole[0].Epoch
	needed, err := s.needed(blobs, released)
	if err != nil {
		return err
	}
	for _, b := range blobs {
		epoch, isManifest, ok := epochOf(b.Name)
		if !ok || epoch >= oldest || !isManifest && needed[b.Name] {
			continue
		}
		if err := s.opts.Blobs.Remove(b.Name); err != nil {
			return err
		}
	}
	return nil
}

// needed returns the blobs that manifests name: those that are kept, those
// that are released now, and all others that are listed. One that is not whole
// names nothing, as nobody can restore it.
func (s *saving) needed(blobs []Blob, released []*Manifest) (map[string]bool, error) {
	needed, known := map[string]bool{}, map[string]bool{}
	for _, m := range slices.Concat(s.whole, released) {
		known[manifestName(s.name, m.Epoch)] = true
		m.name(needed)
	}
	for _, b := range blobs {
		if _, isManifest, ok := epochOf(b.Name); !ok || !isManifest || known[b.Name] {
			continue
		}
		data, err := s.opts.Blobs.Read(b.Name, manifestMax)
		if err != nil {
			return nil, err
		}
		m, err := decodeManifest(data)
		switch {
		case errors.Is(err, ErrNewer):
			return nil, err
		case err == nil:
			m.name(needed)
		}
	}
	return needed, nil
}

// name adds the blobs of the manifest.
func (m *Manifest) name(to map[string]bool) {
	to[m.Snapshot.Blob] = true
	for i := range m.Files {
		to[m.Files[i].Blob] = true
	}
}
