//go:build !unix

package writefiles

import "io/fs"

// hasNoName cannot be known here: headers without their body stay.
func hasNoName(fs.FileInfo) bool { return false }
