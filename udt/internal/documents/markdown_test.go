package documents

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

var (
	heading    = regexp.MustCompile(`^#{1,6}\s+(.*?)\s*#*$`)
	link       = regexp.MustCompile(`\[([^\]]*)\]\(([^)\s]+)\)`)
	inlineCode = regexp.MustCompile("`[^`\n]*`")
)

// deadLinks returns the links of the documents below root that lead to no file
// or folder below root, or to no heading. Links with a scheme are not looked at.
func deadLinks(root string) (found []string, err error) {
	top, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	err = files(root, ".", ".md", func(file string, text []byte) error {
		for _, m := range link.FindAllStringSubmatch(inlineCode.ReplaceAllString(prose(text), ""), -1) {
			ok, err := leads(top, file, m[2])
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

// leads reports whether the target of a link in file exists.
func leads(top, file, target string) (bool, error) {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "" {
		return err == nil, nil
	}
	path, err := filepath.Abs(file)
	if err != nil {
		return false, err
	}
	if u.Path != "" {
		path = filepath.Join(filepath.Dir(path), u.Path)
	}
	if strings.HasPrefix(u.Path, "/") || !within(top, path) {
		return false, nil
	}
	if _, err := os.Stat(path); err != nil {
		return false, nil
	}
	if u.Fragment == "" {
		return true, nil
	}
	return hasAnchor(path, u.Fragment)
}

// hasAnchor reports whether the document at path has a heading with the anchor.
// One that does not exist has none.
func hasAnchor(path, anchor string) (bool, error) {
	if !strings.HasSuffix(path, ".md") {
		return false, nil // nothing, a folder or source
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	return anchors(text)[anchor], nil
}

// anchors returns the anchors that GitHub gives to the headings of a document.
func anchors(text []byte) map[string]bool {
	found := make(map[string]bool)
	times := make(map[string]int)
	for line := range strings.Lines(prose(text)) {
		m := heading.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			continue
		}
		a := slug(link.ReplaceAllString(m[1], "$1"))
		n := times[a]
		times[a]++
		if n > 0 {
			a = fmt.Sprintf("%s-%d", a, n)
		}
		found[a] = true
	}
	return found
}

func slug(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}

// prose returns a document without its fenced code.
func prose(text []byte) string {
	var b strings.Builder
	code := false
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(strings.TrimLeft(line, " "), "```") {
			code = !code
		} else if !code {
			b.WriteString(line)
		}
	}
	return b.String()
}

func TestAnchors(t *testing.T) {
	got := anchors([]byte("# The `Plan` of a [Conn](x.md)\n\n## It's one, and TLVs\n```\n# no heading\n```\n" +
		"## Twice\n## Twice\n#no heading\n### a_b-c, 2^31 ###\n"))
	require.Equal(t, map[string]bool{
		"the-plan-of-a-conn": true, "its-one-and-tlvs": true, "twice": true, "twice-1": true, "a_b-c-231": true,
	}, got)
}

func TestDeadLinksAreFound(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sub"), 0o700))
	write(t, dir, "B.md", "# One\n")
	for text, dead := range map[string]bool{
		"[a](B.md)":                       false,
		"[a\nb](B.md#one)":                false,
		"[a](B.md#two)":                   true,
		"[a](#here)":                      false,
		"[a](#there)":                     true,
		"[a](C.md)":                       true,
		"[a](sub)":                        false,
		"[a](sub#one)":                    true,
		"[a](../outside)":                 true,
		"[a](/B.md)":                      true,
		"[a](https://example.org/x.md#y)": false,
		"`[a](C.md)`":                     false,
		"```\n[a](C.md)\n```":             false,
	} {
		write(t, dir, "A.md", "# Here\n\n"+text+"\n")
		found, err := deadLinks(dir)
		require.NoError(t, err)
		require.Equal(t, dead, len(found) > 0, "%q: %v", text, found)
	}
}
