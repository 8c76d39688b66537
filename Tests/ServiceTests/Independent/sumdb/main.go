// Audits an export, or the proof of one entry, with the original note and tlog code of the Go checksum database
// (Debian: golang-golang-x-mod-dev) and nothing of this project.
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run main.go export FOLDER VERIFIER_KEY
//	GO111MODULE=off GOPATH=/usr/share/gocode go run main.go entry LEAF_FILE PROOF_FILE VERIFIER_KEY
//	GO111MODULE=off GOPATH=/usr/share/gocode go run main.go witnessed NOTE_FILE VERIFIER_KEY WITNESS_KEY
//
// Ends with 0 and one line, or with 1 and the first fault. Formats: docs/spec/access-log.md.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func need(condition bool, fault string, arguments ...any) {
	if !condition {
		fmt.Fprintf(os.Stderr, "fault: "+fault+"\n", arguments...)
		os.Exit(1)
	}
}

func read(elements ...string) []byte {
	data, err := os.ReadFile(filepath.Join(elements...))
	need(err == nil, "%v", err)
	return data
}

// checkpoint opens a signed note and reads the tree in it; tlog.ParseTree knows another first line.
func checkpoint(message []byte, key string) tlog.Tree {
	verifier, err := note.NewVerifier(key)
	need(err == nil, "verifier key: %v", err)
	opened, err := note.Open(message, note.VerifierList(verifier))
	need(err == nil, "checkpoint: %v", err)
	lines := strings.Split(opened.Text, "\n")
	need(len(lines) == 4 && lines[0] == verifier.Name() && lines[3] == "", "checkpoint: another log or more lines")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	need(err == nil && strconv.FormatInt(size, 10) == lines[1], "checkpoint: size")
	return tlog.Tree{N: size, Hash: hash(lines[2])}
}

// cosigner verifies what a witness signs: a time before the note's text (C2SP tlog-cosignature, type 04).
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.hash }
func (c cosigner) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	head := fmt.Sprintf("cosignature/v1\ntime %d\n", binary.BigEndian.Uint64(signature))
	return ed25519.Verify(c.key, append([]byte(head), text...), signature[8:])
}

func auditWitnessed(message []byte, key, witness string) {
	parts := strings.SplitN(witness, "+", 3)
	need(len(parts) == 3, "witness key")
	raw, err := base64.StdEncoding.DecodeString(parts[2])
	need(err == nil && len(raw) == 33 && raw[0] == 4, "witness key: %v", err)
	digest := sha256.Sum256(append([]byte(parts[0]+"\n"), raw...))
	need(hex.EncodeToString(digest[:4]) == parts[1], "witness key: id")
	tree := checkpoint(message, key)
	verifier := cosigner{parts[0], binary.BigEndian.Uint32(digest[:4]), raw[1:]}
	_, err = note.Open(message, note.VerifierList(verifier))
	need(err == nil, "cosignature: %v", err)
	fmt.Printf("audited: a checkpoint of size %d, cosigned by %s\n", tree.N, parts[0])
}

func hash(text string) tlog.Hash {
	parsed, err := tlog.ParseHash(text)
	need(err == nil && parsed.String() == text, "hash: %q", text)
	return parsed
}

func hashes(lines []string) []tlog.Hash {
	var all []tlog.Hash
	for _, line := range lines {
		all = append(all, hash(line))
	}
	return all
}

func lines(data []byte, name string) []string {
	need(len(data) == 0 || data[len(data)-1] == '\n', "%s: no end of line", name)
	return strings.Split(string(data), "\n")[:strings.Count(string(data), "\n")]
}

func auditEntry(leaf, proof []byte, key string) {
	head, message, _ := bytes.Cut(proof, []byte("\n\n"))
	parts := strings.Split(string(head), "\n")
	need(len(parts) >= 2 && parts[0] == "c2sp.org/tlog-proof@v1", "proof: kind")
	index, err := strconv.ParseInt(strings.TrimPrefix(parts[1], "index "), 10, 64)
	need(err == nil && "index "+strconv.FormatInt(index, 10) == parts[1], "proof: index")
	tree := checkpoint(message, key)
	err = tlog.CheckRecord(hashes(parts[2:]), tree.N, tree.Hash, index, tlog.RecordHash(leaf))
	need(err == nil, "proof: %v", err)
	fmt.Printf("audited: entry %d under a checkpoint of size %d\n", index, tree.N)
}

func auditExport(folder, key string) {
	var manifest struct {
		First, End int64
		Files      map[string]struct {
			Bytes  int
			Sha256 string
		}
	}
	need(json.Unmarshal(read(folder, "manifest.json"), &manifest) == nil, "manifest.json")
	for name, file := range manifest.Files {
		data := read(folder, name)
		digest := sha256.Sum256(data)
		need(len(data) == file.Bytes && hex.EncodeToString(digest[:]) == file.Sha256, "%s: digest", name)
	}
	tree := checkpoint(read(folder, "checkpoint"), key)
	head, tail, _ := strings.Cut(string(read(folder, "proof")), "\n\n")
	parts := strings.Split(head, "\n")
	need(len(parts) >= 3 && parts[0] == "contact-vault range proof v1", "proof: kind")
	need(parts[1] == fmt.Sprintf("first %d", manifest.First) && parts[2] == fmt.Sprintf("end %d", manifest.End), "proof: of other entries")
	leaves := lines(read(folder, "entries.jsonl"), "entries.jsonl")
	need(int64(len(leaves)) == manifest.End-manifest.First, "entries.jsonl: number of entries")

	// The right edge, and each leaf completes the perfect subtrees that it ends.
	edge, count := hashes(parts[3:]), manifest.First
	for _, leaf := range leaves {
		node := tlog.RecordHash([]byte(leaf))
		for bits := count; bits&1 == 1; bits >>= 1 {
			node, edge = tlog.NodeHash(edge[len(edge)-1], node), edge[:len(edge)-1]
		}
		edge, count = append(edge, node), count+1
	}
	need(len(edge) > 0, "entries.jsonl: an empty log")
	root := edge[len(edge)-1]
	for place := len(edge) - 2; place >= 0; place-- {
		root = tlog.NodeHash(edge[place], root)
	}
	err := tlog.CheckTree(hashes(lines([]byte(tail), "proof")), tree.N, tree.Hash, manifest.End, root)
	need(err == nil, "proof: %v", err)

	for _, line := range lines(read(folder, "disclosures.jsonl"), "disclosures.jsonl") {
		var shown struct {
			Index       int64
			Disclosures string
		}
		var entry struct {
			Digests []string `json:"_sd"`
		}
		need(json.Unmarshal([]byte(line), &shown) == nil, "disclosures.jsonl")
		need(shown.Index >= manifest.First && shown.Index < manifest.End, "disclosures.jsonl: entry %d", shown.Index)
		need(json.Unmarshal([]byte(leaves[shown.Index-manifest.First]), &entry) == nil, "entry %d", shown.Index)
		for _, text := range strings.Split(strings.TrimSuffix(shown.Disclosures, "~"), "~") {
			digest := sha256.Sum256([]byte(text))
			known := false
			for _, other := range entry.Digests {
				known = known || other == base64.RawURLEncoding.EncodeToString(digest[:])
			}
			need(known, "entry %d: a disclosure of another entry", shown.Index)
		}
	}
	fmt.Printf("audited: entries %d to %d under a checkpoint of size %d\n", manifest.First, manifest.End, tree.N)
}

func main() {
	defer func() {
		if fault := recover(); fault != nil {
			need(false, "%v", fault)
		}
	}()
	switch {
	case len(os.Args) == 4 && os.Args[1] == "export":
		auditExport(os.Args[2], os.Args[3])
	case len(os.Args) == 5 && os.Args[1] == "entry":
		auditEntry(read(os.Args[2]), read(os.Args[3]), os.Args[4])
	case len(os.Args) == 5 && os.Args[1] == "witnessed":
		auditWitnessed(read(os.Args[2]), os.Args[3], os.Args[4])
	default:
		need(false, "use export FOLDER KEY, entry LEAF PROOF KEY or witnessed NOTE KEY WITNESS_KEY")
	}
}
