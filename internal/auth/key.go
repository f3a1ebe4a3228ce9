package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"hash/crc32"
	"strings"
	"sync"
)

const (
	// scheme begins every key, so that secret scanners recognize one.
	scheme = "kv_"
	// secretLength is the number of secret characters in a key: 190 bits.
	secretLength = 32
	// checksumLength is the number of characters of a CRC-32.
	checksumLength = 6
	// idLength is the largest number of characters in an id.
	idLength = 32

	digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// Generate returns a new key for id: kv_<id>_<secret>_<checksum>.
func Generate(id string) string {
	text := scheme + id + "_" + newSecret()
	sum := checksum(text)
	return text + "_" + string(sum[:])
}

// newSecret returns random characters, all equally likely: it skips bytes that would favor some of them.
func newSecret() string {
	const even = 256 / len(digits) * len(digits)
	secret := make([]byte, 0, secretLength)
	var random [2 * secretLength]byte
	for {
		_, _ = rand.Read(random[:]) // never fails
		for _, b := range random {
			if int(b) >= even {
				continue
			}
			if secret = append(secret, digits[int(b)%len(digits)]); len(secret) == secretLength {
				return string(secret)
			}
		}
	}
}

// idOf returns the id in a key, or false if key is not well formed. A mistyped key does not match its checksum.
func idOf(key string) (string, bool) {
	body, ok := strings.CutPrefix(key, scheme)
	if !ok {
		return "", false
	}
	id, rest, _ := strings.Cut(body, "_")
	secret, sum, _ := strings.Cut(rest, "_")
	if !ValidID(id) || len(secret) != secretLength || len(sum) != checksumLength {
		return "", false
	}
	want := checksum(key[:len(key)-checksumLength-1])
	return id, sum == string(want[:])
}

// ValidID reports whether id can name a key: 1 to 32 of a-z, 0-9 and -, not starting with -.
func ValidID(id string) bool {
	if id == "" || len(id) > idLength || id[0] == '-' {
		return false
	}
	for i := range len(id) {
		if c := id[i]; c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// checksum returns the CRC-32 of text in base 62. Package hash/crc32 takes bytes, so text would have to be copied.
func checksum(text string) [checksumLength]byte {
	crc := ^uint32(0)
	for i := range len(text) {
		crc = crc32.IEEETable[byte(crc)^text[i]] ^ crc>>8
	}
	crc = ^crc
	var sum [checksumLength]byte
	for i := checksumLength - 1; i >= 0; i-- {
		sum[i] = digits[crc%uint32(len(digits))]
		crc /= uint32(len(digits))
	}
	return sum
}

// Hash is the SHA-256 of a whole key, as sent. In the file it is hexadecimal.
type Hash [32]byte

// MarshalText implements [encoding.TextMarshaler].
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(h)) {
		return errors.New("invalid SHA-256: want 64 hexadecimal digits")
	}
	_, err := hex.Decode(h[:], text)
	return err
}

// HashOf returns the hash of a key.
func HashOf(key string) Hash {
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	h.Reset()
	h.in = append(h.in[:0], key...)
	h.Write(h.in)
	h.Sum(h.out[:0])
	return h.out
}

// hasher computes hashes. [sha256.Sum256] allocates nothing, unless a profile-guided build inlines it in its caller.
type hasher struct {
	hash.Hash
	in  []byte
	out Hash
}

var hashers = sync.Pool{New: func() any { return &hasher{Hash: sha256.New()} }}
