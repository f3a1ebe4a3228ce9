package kvservice

// What the fuzz targets reach.
var (
	PageToken        = pageToken
	ParsePageToken   = parsePageToken
	ResumeToken      = resumeToken
	ParseResumeToken = parseResumeToken
	ReadTTL          = readTTL
)
