// Sumdb-verify verifies a journal with Go's golang.org/x/mod/sumdb packages note and tlog, which we
// did not write: the signature on the checkpoint, every tile against its root, every entry against
// its tile.
//
// Usage: sumdb-verify DIRECTORY ORIGIN VERIFIER-KEY; exit code 0 if all of it holds.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	height = 8
	width  = 1 << height
)

func main() {
	if err := verify(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func verify(dir, origin, key string) error {
	tree, err := openCheckpoint(dir, origin, key)
	if err != nil {
		return err
	}
	// The reader authenticates every tile against the tree's root.
	hashes := tlog.TileHashReader(tree, tiles{dir})
	for n := int64(0); n < tree.N; n += width {
		count := min(tree.N-n, width)
		entries, err := readBundle(dir, n/width, int(count))
		if err != nil {
			return err
		}
		indexes := make([]int64, count)
		for i := range indexes {
			indexes[i] = tlog.StoredHashIndex(0, n+int64(i))
		}
		want, err := hashes.ReadHashes(indexes)
		if err != nil {
			return fmt.Errorf("tile of entry %d: %w", n, err)
		}
		for i, entry := range entries {
			if tlog.RecordHash(entry) != want[i] {
				return fmt.Errorf("entry %d is not the one in the tree", n+int64(i))
			}
		}
	}
	fmt.Printf("%d entries\n", tree.N)
	return nil
}

func openCheckpoint(dir, origin, key string) (tlog.Tree, error) {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return tlog.Tree{}, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != origin || lines[3] != "" {
		return tlog.Tree{}, errors.New("the checkpoint's text is not one of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tlog.Tree{}, errors.New("the checkpoint's root is malformed")
	}
	return tlog.Tree{N: size, Hash: tlog.Hash(root)}, nil
}

// readBundle reads an entry bundle: entries behind their length in two bytes, big-endian.
func readBundle(dir string, n int64, count int) ([][]byte, error) {
	data, err := os.ReadFile(filepath.Join(dir, "tile", "entries", index(n, count)))
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for len(data) > 0 {
		if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
			return nil, fmt.Errorf("bundle %d is cut off", n)
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		entries = append(entries, data[2:end])
		data = data[end:]
	}
	if len(entries) != count {
		return nil, fmt.Errorf("bundle %d has %d entries, not %d", n, len(entries), count)
	}
	return entries, nil
}

// tiles reads hash tiles by the paths of c2sp.org/tlog-tiles, which name no tile height.
type tiles struct{ dir string }

func (tiles) Height() int { return height }

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var read [][]byte
	for _, tile := range wanted {
		path := filepath.Join(t.dir, "tile", strconv.Itoa(tile.L), index(tile.N, tile.W))
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		read = append(read, data)
	}
	return read, nil
}

func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func index(n int64, w int) string {
	path := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		path = fmt.Sprintf("x%03d/%s", n%1000, path)
	}
	if w < width {
		path += ".p/" + strconv.Itoa(w)
	}
	return path
}
