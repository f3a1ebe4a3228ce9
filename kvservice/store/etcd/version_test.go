package etcd

import (
	"strings"
	"testing"
)

func TestVersionsThatLoseDataAreRefused(t *testing.T) {
	for version, refused := range map[string]bool{"3.5.21": true, "3.4.0": true, "2.3.8": true, "3.6.0": false, "3.7.3": false, "4.0.0": false} {
		err := checkVersion(version, false)
		if (err != nil) != refused || refused && !strings.Contains(err.Error(), "any-version=true") {
			t.Errorf("version %s: %v, want refused %t", version, err, refused)
		}
		if err := checkVersion(version, true); err != nil {
			t.Errorf("version %s, whatever it is: %v", version, err)
		}
	}
}

func TestTheMiddleOfTwoNamesIsBetweenThem(t *testing.T) {
	for _, c := range [][2]string{{"a", "b"}, {"a", "a\x00\x01"}, {"kv/e/", "kv/e0"}, {"a\xff\xff", "b"}, {"key1", "key2"}} {
		if mid := string(middle([]byte(c[0]), []byte(c[1]))); mid <= c[0] || mid >= c[1] {
			t.Errorf("the middle of %q and %q is %q", c[0], c[1], mid)
		}
	}
	if mid := middle([]byte("a"), []byte("a\x00")); mid != nil {
		t.Errorf("the middle of a and its successor is %q, want none", mid)
	}
}
