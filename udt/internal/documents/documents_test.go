// Package documents has tests only: they check that the documents of the repository,
// and what comments cite of them, are true as far as a program can see.
package documents

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// repository is the root of the repository, seen from this package.
const repository = "../../.."

func TestCitedAnchorsExist(t *testing.T) {
	found, err := deadAnchors(repository)
	require.NoError(t, err)
	require.Empty(t, found)
}

func TestLinksOfDocumentsLeadSomewhere(t *testing.T) {
	found, err := deadLinks(repository)
	require.NoError(t, err)
	require.Empty(t, found)
}

func TestNothingOutsideTheRepositoryIsCited(t *testing.T) {
	found, err := foreignCitations(repository, []string{"."})
	require.NoError(t, err)
	require.Empty(t, found)
}

var (
	// citation is the path of a document, and maybe an anchor in it.
	citation = regexp.MustCompile(`([\w./-]*\w\.md)\b(?:#([\w-]+))?`)

	// numbered are the words by which documents elsewhere are cited.
	numbered = regexp.MustCompile(`(?i)\b(?:design decisions?|security (?:design|requirements),|rows? ?\d+\b|rules? \d|sections? \d)`)

	// standard is what a numbered section may belong to.
	standard = regexp.MustCompile(`RFC \d+|SP 800-|draft-`)
)

// deadAnchors returns the anchors that comments of Go files below root name and
// that are not headings of their document, or whose document does not exist.
func deadAnchors(root string) (found []string, err error) {
	err = comments(root, []string{"."}, func(file, text string) error {
		for _, m := range citation.FindAllStringSubmatch(text, -1) {
			if m[2] == "" {
				continue
			}
			doc := resolve(root, filepath.Dir(file), m[1])
			ok, err := hasAnchor(doc, m[2])
			if err != nil {
				return err
			}
			if !ok {
				found = append(found, fmt.Sprintf("%s: %s", file, m[0]))
			}
		}
		return nil
	})
	return found, err
}

// foreignCitations returns what Go files in the given folders below root, and
// all documents, cite of documents that are not below root.
func foreignCitations(root string, folders []string) (found []string, err error) {
	check := func(file, text string) error {
		for _, m := range citation.FindAllStringSubmatch(text, -1) {
			if resolve(root, filepath.Dir(file), m[1]) == "" {
				found = append(found, fmt.Sprintf("%s: %s", file, m[0]))
			}
		}
		for _, m := range numbered.FindAllStringIndex(text, -1) {
			before := text[max(m[0]-60, 0):m[0]]
			if word := text[m[0]:m[1]]; word[0]|0x20 != 's' || !standard.MatchString(before) {
				found = append(found, fmt.Sprintf("%s: %q", file, strings.TrimSpace(word+text[m[1]:min(m[1]+20, len(text))])))
			}
		}
		return nil
	}
	if err := comments(root, folders, check); err != nil {
		return nil, err
	}
	err = files(root, ".", ".md", func(file string, text []byte) error {
		return check(file, strings.Join(strings.Fields(string(text)), " "))
	})
	return found, err
}

// comments calls f with the text of each group of comments of the Go files in
// folders below root, on one line.
func comments(root string, folders []string, f func(file, text string) error) error {
	for _, folder := range folders {
		err := files(root, folder, ".go", func(file string, src []byte) error {
			parsed, err := parser.ParseFile(token.NewFileSet(), file, src, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, group := range parsed.Comments {
				if err := f(file, strings.Join(strings.Fields(group.Text()), " ")); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// files calls f with each file in folder below root whose name ends with suffix,
// except below testdata and in hidden folders. It is an error if there is none.
func files(root, folder, suffix string, f func(file string, text []byte) error) error {
	seen := false
	err := filepath.WalkDir(filepath.Join(root, folder), func(path string, d fs.DirEntry, err error) error {
		switch name := d.Name(); {
		case err != nil:
			return err
		case d.IsDir() && (name == "testdata" || name[0] == '.' && strings.Trim(name, ".") != ""):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, suffix):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		seen = true
		return f(path, text)
	})
	if err == nil && !seen {
		err = &fs.PathError{Op: "find", Path: filepath.Join(folder, "*"+suffix), Err: fs.ErrNotExist}
	}
	return err
}

// resolve returns the path of a document that is cited in dir: relative to dir
// or, failing that, to the nearest folder above it below root. It returns "" if
// there is none.
func resolve(root, dir, name string) string {
	top, err := filepath.Abs(root)
	if err != nil {
		return ""
	}
	for at, err := filepath.Abs(dir); err == nil && within(top, at); at = filepath.Dir(at) {
		path := filepath.Join(at, name)
		if info, err := os.Stat(path); err == nil && !info.IsDir() && within(top, path) {
			return path
		}
	}
	return ""
}

// within reports whether the absolute path is dir or below it.
func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
}

func TestForeignCitationsAreFound(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "SPEC.md", "# A\n")
	for text, foreign := range map[string]bool{
		"see SPEC.md":                            false,
		"see SPEC.md#b":                          false, // deadAnchors finds it
		"see elsewhere.md":                       true,
		"see ../SPEC.md":                         true,
		"design\n// decision":                    true,
		"Rule 1.2: always":                       true,
		"the contract, row 3":                    true,
		"row12":                                  true,
		"section 3 says so":                      true,
		"RFC 9000, section 3, and section\n// 4": false,
		"draft-ietf-ccwg-bbr, sections 4.1":      false,
		"a row of 3":                             false,
	} {
		write(t, dir, "a.go", "package a\n\n// "+text+"\nvar A int\n")
		found, err := foreignCitations(dir, []string{"."})
		require.NoError(t, err)
		require.Equal(t, foreign, len(found) > 0, "%q: %v", text, found)
	}
	write(t, dir, "a.go", "package a\n")
	write(t, dir, "B.md", "As elsewhere.md says.\n")
	found, err := foreignCitations(dir, []string{"."})
	require.NoError(t, err)
	require.Len(t, found, 1)
}

func TestDeadAnchorsAreFound(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "p", "q"), 0o700))
	write(t, dir, "SPEC.md", "# Top\n\n## One thing\n")
	write(t, filepath.Join(dir, "p"), "SPEC.md", "# Other\n")
	q := filepath.Join(dir, "p", "q")
	for text, dead := range map[string]bool{
		"SPEC.md#other":           false, // the nearest one counts
		"SPEC.md#one-thing":       true,
		"../../SPEC.md#one-thing": false,
		"p/SPEC.md#other":         false,
		"MISSING.md#other":        true,
		"SPEC.md":                 false,
	} {
		write(t, q, "a.go", "package a\n\n// A is "+text+".\nvar A int\n")
		found, err := deadAnchors(dir)
		require.NoError(t, err)
		require.Equal(t, dead, len(found) > 0, "%q: %v", text, found)
	}
}

func TestNoFilesAreAnError(t *testing.T) {
	_, err := deadAnchors(t.TempDir())
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = deadLinks(t.TempDir())
	require.ErrorIs(t, err, fs.ErrNotExist)
}
