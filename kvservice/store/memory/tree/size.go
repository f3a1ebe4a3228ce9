package tree

import "sort"

// sizeClasses are the sizes in which Go's allocator hands out small objects, in bytes.
var sizeClasses = [...]int{
	8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 288, 320, 352, 384,
	416, 448, 480, 512, 576, 640, 704, 768, 896, 1024, 1152, 1280, 1408, 1536, 1792, 2048, 2304, 2688,
	3072, 3200, 3456, 4096, 4864, 5376, 6144, 6528, 6784, 6912, 8192, 9472, 9728, 10240, 10880,
	12288, 13568, 14336, 16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672, 32768,
}

// pageBytes is what larger objects are rounded up to.
const pageBytes = 8192

// allocated is what an object of n bytes takes of the heap.
func allocated(n int) int64 {
	if n > sizeClasses[len(sizeClasses)-1] {
		return int64(n+pageBytes-1) / pageBytes * pageBytes
	}
	return int64(sizeClasses[sort.SearchInts(sizeClasses[:], n)])
}

// Resident is what n bytes of objects take of memory. The allocator describes its pages, and leaves ends of
// them over; with objects as small as entries are, that is about a twentieth of what it hands out.
func Resident(n int64) int64 { return n + n/20 }
