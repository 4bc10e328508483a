package mllp

import "bytes"

// controlID is MSH-10 of a message, nil if it has none. MSH-1 is the byte
// after the name, so MSH-10 follows the ninth of it.
func controlID(message []byte) []byte {
	message = bytes.TrimLeft(message, "\r\n \xef\xbb\xbf")
	if len(message) < 4 || string(message[:3]) != "MSH" {
		return nil
	}
	return field(message, message[3], 9)
}

// acknowledgedID is MSA-2 of an answer, nil if it has none.
func acknowledgedID(answer []byte) []byte {
	answer = bytes.TrimLeft(answer, "\r\n \xef\xbb\xbf")
	if len(answer) < 4 || string(answer[:3]) != "MSH" {
		return nil
	}
	sep := answer[3]
	for rest := answer; len(rest) > 0; {
		if len(rest) > 3 && string(rest[:3]) == "MSA" && rest[3] == sep {
			return field(rest, sep, 2)
		}
		end := bytes.IndexAny(rest, "\r\n")
		if end < 0 {
			return nil
		}
		rest = rest[end+1:]
	}
	return nil
}

// field is what follows separator n of a segment.
func field(segment []byte, sep byte, n int) []byte {
	if end := bytes.IndexAny(segment, "\r\n"); end >= 0 {
		segment = segment[:end]
	}
	for range n {
		at := bytes.IndexByte(segment, sep)
		if at < 0 {
			return nil
		}
		segment = segment[at+1:]
	}
	if end := bytes.IndexByte(segment, sep); end >= 0 {
		segment = segment[:end]
	}
	return bytes.TrimSpace(segment)
}
