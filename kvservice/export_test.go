package kvservice

// What the fuzz targets reach.
var (
	PageToken      = pageToken
	ParsePageToken = parsePageToken
	ReadTTL        = readTTL
)
