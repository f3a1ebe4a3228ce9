package rest

import (
	"errors"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

var errInteger = errors.New("it takes an integer of 64 bits, as a number or as a string")

// integer is a signed 64-bit integer, as a JSON number or as its decimal text in a string: most languages
// read JSON numbers as floats, which hold 53 bits.
type integer int64

// UnmarshalJSONFrom takes no fraction and no exponent, not even where they leave an integer.
func (i *integer) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	token, err := dec.ReadToken()
	if err != nil {
		return err
	}
	if k := token.Kind(); k != '0' && k != '"' {
		return errInteger
	}
	n, err := strconv.ParseInt(token.String(), 10, 64)
	if err != nil {
		return errInteger
	}
	*i = integer(n)
	return nil
}
