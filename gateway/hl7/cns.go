package hl7

import (
	"sync"
	"unicode/utf8"

	"golang.org/x/text/encoding/traditionalchinese"
)

// stretch is where a run of characters that follow each other in CNS 11643 begins,
// and where it does so in Big5; 0 where Big5 has none of them. It ends where the
// next one begins.
type stretch struct{ cns, big5 uint16 }

// Planes 1 and 2 are the two levels of Big5, almost in its order: what follows are the
// characters that stand elsewhere because one of the two counts their strokes
// otherwise (K. Lunde, CJK.INF 2.1, correspondence of Big Five and CNS 11643-1992).
// The numerals in circles and brackets and three radicals stand in what ETEN added to
// Big5. The other radicals of plane 1 are left out: text has the hanzi of the same form.
var cnsPlanes = [...][]stretch{
	{
		{0x2121, 0xa140}, {0x2257, 0xa1f7}, {0x2258, 0xa1f6}, {0x2259, 0xa1f8}, {0x234f, 0},
		{0x2421, 0xa2af}, {0x2571, 0}, {0x2621, 0xc6a1}, {0x263f, 0},
		{0x2728, 0xc6c2}, {0x2729, 0}, {0x272f, 0xc6c5}, {0x2730, 0}, {0x2734, 0xc6c6}, {0x2735, 0},
		{0x4221, 0xa3c0}, {0x4242, 0},
		{0x4421, 0xa440}, {0x5323, 0xad40}, {0x5753, 0xacfe}, {0x5754, 0xafd0}, {0x6b50, 0xbe52}, {0x6b51, 0xbbc8},
		{0x6f5c, 0xbe53}, {0x7535, 0xc2cb}, {0x7536, 0xc1ab}, {0x7737, 0xc2cc}, {0x782d, 0xc456}, {0x782e, 0xc361},
		{0x7864, 0xc3ba}, {0x7865, 0xc3b9}, {0x7866, 0xc3bb}, {0x7962, 0xc457}, {0x7d4c, 0},
	},
	{
		{0x2121, 0xc940}, {0x212b, 0xc94b}, {0x214c, 0xc9be}, {0x214d, 0xc96c}, {0x217d, 0xc9bf}, {0x224d, 0xcaf7},
		{0x224e, 0xc9ed}, {0x2439, 0xcaf8}, {0x376f, 0xdadf}, {0x3770, 0xd6cd}, {0x387e, 0xd77b}, {0x3e63, 0xd6cc},
		{0x3e64, 0xdae0}, {0x3f6a, 0xd77a}, {0x3f6b, 0xdba7}, {0x4424, 0xddfd}, {0x554b, 0xebf1}, {0x554c, 0xe8a3},
		{0x5722, 0xecde}, {0x5723, 0xe976}, {0x5a28, 0xf0cb}, {0x5a29, 0xeb5b}, {0x5b3f, 0xebf2}, {0x5c6a, 0xecdf},
		{0x5d74, 0xf056}, {0x5d75, 0xedaa}, {0x6039, 0xeeec}, {0x6243, 0xf057}, {0x6337, 0xf0cc}, {0x642f, 0xeeeb},
		{0x6430, 0xf163}, {0x6438, 0xf16c}, {0x6573, 0xf269}, {0x664d, 0xf4b5}, {0x664e, 0xf2c3}, {0x6761, 0xf16b},
		{0x6762, 0xf375}, {0x6934, 0xf268}, {0x6935, 0xf466}, {0x6962, 0xf4b6}, {0x6a4b, 0xf663}, {0x6a4c, 0xf4fd},
		{0x6c52, 0xf664}, {0x7166, 0xf9c4}, {0x7167, 0xf977}, {0x7234, 0xf9c5}, {0x7235, 0xf9c7}, {0x7240, 0xf9c6},
		{0x7241, 0xf9d2}, {0x7245, 0},
	},
}

// The one hanzi that Big5 has in another form than plane 1 (Big5-2003 mends it).
const (
	cnsMended  = 0x7641
	runeMended = '彞'
)

const (
	cnsRow  = 94  // characters in a row of CNS 11643
	big5Row = 157 // and of Big5
)

// cnsTables are the characters of planes 1 and 2 by row and column; 0 where there is
// none. They are made when the first message needs them.
var cnsTables = sync.OnceValue(func() *[2][cnsRow * cnsRow]rune {
	tables := new([2][cnsRow * cnsRow]rune)
	for plane, list := range cnsPlanes {
		for i, s := range list[:len(list)-1] {
			for at := cnsIndex(s.cns); s.big5 != 0 && at < cnsIndex(list[i+1].cns); at++ {
				tables[plane][at] = big5Rune(big5Index(s.big5) + at - cnsIndex(s.cns))
			}
		}
	}
	tables[0][cnsIndex(cnsMended)] = runeMended
	return tables
})

// cnsRune is the character of a plane at a row and column, as bytes with the top bit
// or without; U+FFFD where there is none, and in planes other than 1 and 2.
func cnsRune(plane, row, column byte) rune {
	if plane < 1 || plane > 2 {
		return utf8.RuneError
	}
	if r := cnsTables()[plane-1][cnsIndex(uint16(row&0x7f)<<8|uint16(column&0x7f))]; r != 0 {
		return r
	}
	return utf8.RuneError
}

func cnsIndex(code uint16) int { return int(code>>8-'!')*cnsRow + int(code&0xff-'!') }

// big5Index counts the characters from A140 on; the second byte is one of 40 to 7E or
// of A1 to FE.
func big5Index(code uint16) int {
	second := int(code & 0xff)
	if second > 0x7e {
		second -= 0xa1 - 0x7f
	}
	return int(code>>8-0xa1)*big5Row + second - 0x40
}

func big5Rune(index int) rune {
	second := index%big5Row + 0x40
	if second > 0x7e {
		second += 0xa1 - 0x7f
	}
	var text [utf8.UTFMax]byte
	n, _, _ := traditionalchinese.Big5.NewDecoder().Transform(text[:], []byte{byte(index/big5Row + 0xa1), byte(second)}, true)
	r, _ := utf8.DecodeRune(text[:n])
	return r
}
