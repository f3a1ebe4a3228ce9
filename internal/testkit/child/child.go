// Package child is what systems do differently about the processes that a program starts and must not leave behind.
package child
