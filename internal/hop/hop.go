// Package hop is everything between a caller and its service.
package hop

import "errors"

// ErrRedirect is the cause of a call's failure that was answered with a redirect.
var ErrRedirect = errors.New("the service answered with a redirect, which is not followed")
