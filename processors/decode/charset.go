package decode

import "strings"

// charsets are words that senders write as an encoding although they name no compression: charsets,
// and MIME's names for bytes that are sent as they are. Python and others write _ for each -.
var charsets = map[string]bool{
	"7bit": true, "8bit": true, "binary": true,
	"ascii": true, "us-ascii": true, "ansi": true, "unicode": true,
	"utf8": true, "utf16": true, "utf32": true, "ucs-2": true, "ucs-4": true,
	"latin1": true, "latin-1": true, "latin9": true,
	"shift-jis": true, "sjis": true, "euc-jp": true, "iso-2022-jp": true,
	"gb2312": true, "gbk": true, "gb18030": true, "big5": true, "euc-kr": true,
	"koi8-r": true, "koi8-u": true, "macroman": true, "macintosh": true,
}

// families are prefixes of charsets that have many numbers.
var families = []string{"utf-", "iso-8859-", "iso8859-", "windows-", "cp125"}

func isCharset(name string) bool {
	name = strings.ReplaceAll(name, "_", "-")
	if charsets[name] {
		return true
	}
	for _, f := range families {
		if rest, ok := strings.CutPrefix(name, f); ok && isWord(rest) {
			return true
		}
	}
	return false
}

// isWord keeps apart what senders add to a charset, such as utf-8;gzip: that body is compressed.
func isWord(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
