package decode

import "strings"

// charsets are words that senders write as an encoding although they name no compression: charsets,
// and MIME's names for bytes that are sent as they are.
var charsets = map[string]bool{
	"7bit": true, "8bit": true, "binary": true,
	"ascii": true, "us-ascii": true, "ansi": true, "unicode": true,
	"utf8": true, "utf16": true, "utf32": true, "ucs-2": true, "ucs-4": true,
	"latin1": true, "latin-1": true, "latin9": true,
	"shift_jis": true, "shift-jis": true, "sjis": true, "euc-jp": true, "iso-2022-jp": true,
	"gb2312": true, "gbk": true, "gb18030": true, "big5": true, "euc-kr": true,
	"koi8-r": true, "koi8-u": true, "macroman": true, "macintosh": true,
}

// families are prefixes of charsets that have many numbers.
var families = []string{"utf-", "iso-8859-", "iso8859-", "iso_8859-", "windows-", "cp125"}

func isCharset(name string) bool {
	if charsets[name] {
		return true
	}
	for _, f := range families {
		if strings.HasPrefix(name, f) {
			return true
		}
	}
	return false
}
