package gatewayclient

import "time"

// Account is one customer organisation.
type Account struct {
	Name             string  `json:"name,omitempty"`
	DisplayName      string  `json:"displayName,omitempty"`
	LicenseSeats     int     `json:"licenseSeats"`
	LicensesAssigned int     `json:"licensesAssigned,omitempty"`
	Policy           *Policy `json:"policy,omitempty"`
	Etag             string  `json:"etag,omitempty"`
}

// Policy is what an account has decided about the life cycle of its phone users.
type Policy struct {
	SoftDelete bool `json:"softDelete"`
}

// Site is a place that phone users belong to.
type Site struct {
	Name        string `json:"name,omitempty"`
	DisplayName string `json:"displayName,omitempty"`
	SiteCode    string `json:"siteCode,omitempty"`
	IsMain      bool   `json:"isMain,omitempty"`
}

// User is a person of the directory.
type User struct {
	Name        string   `json:"name,omitempty"`
	Email       string   `json:"email,omitempty"`
	GivenName   string   `json:"givenName,omitempty"`
	FamilyName  string   `json:"familyName,omitempty"`
	DisplayName string   `json:"displayName,omitempty"`
	Role        string   `json:"role,omitempty"`
	Status      string   `json:"status,omitempty"`
	Features    []string `json:"features,omitempty"`
	PhoneUser   string   `json:"phoneUser,omitempty"`
	Site        string   `json:"site,omitempty"`
}

// Room is a meeting room.
type Room struct {
	Name        string `json:"name,omitempty"`
	DisplayName string `json:"displayName,omitempty"`
	Site        string `json:"site,omitempty"`
	PhoneUser   string `json:"phoneUser,omitempty"`
}

// ExtensionRange is a run of extension numbers at a site.
type ExtensionRange struct {
	Name string `json:"name,omitempty"`
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	Size int64  `json:"size,omitempty,string"`
	Used int64  `json:"used,omitempty,string"`
}

// Extension is a number inside an organisation.
type Extension struct {
	Number string `json:"number"`
	State  string `json:"state"`
	Holder string `json:"holder"`
	Site   string `json:"site"`
}

// Package is a calling package.
type Package struct {
	Name        string `json:"name,omitempty"`
	DisplayName string `json:"displayName,omitempty"`
	Kind        string `json:"kind,omitempty"`
	Seats       int    `json:"seats"`
	Assigned    int    `json:"assigned,omitempty"`
	State       string `json:"state,omitempty"`
}

// PhoneNumber is a direct number.
type PhoneNumber struct {
	Name     string `json:"name,omitempty"`
	Number   string `json:"number"`
	State    string `json:"state,omitempty"`
	Assignee string `json:"assignee,omitempty"`
}

// Settings are a phone user's basic settings; nil for what is not set.
type Settings struct {
	Language         *string `json:"language,omitempty"`
	TimeZone         *string `json:"timeZone,omitempty"`
	VoicemailEnabled *bool   `json:"voicemailEnabled,omitempty"`
	VoicemailToEmail *bool   `json:"voicemailToEmail,omitempty"`
	RingSeconds      *int    `json:"ringSeconds,omitempty"`
	CallWaiting      *bool   `json:"callWaiting,omitempty"`
	DoNotDisturb     *bool   `json:"doNotDisturb,omitempty"`
	ForwardTo        *string `json:"forwardTo,omitempty"`
}

// Template is a set of settings under a name.
type Template struct {
	Name        string    `json:"name,omitempty"`
	DisplayName string    `json:"displayName,omitempty"`
	Site        string    `json:"site,omitempty"`
	Settings    *Settings `json:"settings,omitempty"`
}

// PhoneUser is a person or room with a phone licence.
type PhoneUser struct {
	Name            string     `json:"name,omitempty"`
	Assignee        string     `json:"assignee,omitempty"`
	DisplayName     string     `json:"displayName,omitempty"`
	Email           string     `json:"email,omitempty"`
	Kind            string     `json:"kind,omitempty"`
	State           string     `json:"state,omitempty"`
	ExtensionNumber string     `json:"extensionNumber,omitempty"`
	Site            string     `json:"site,omitempty"`
	Package         string     `json:"package,omitempty"`
	PackageState    string     `json:"packageState,omitempty"`
	PhoneNumbers    []string   `json:"phoneNumbers,omitempty"`
	OutboundCalling bool       `json:"outboundCalling,omitempty"`
	SetupComplete   bool       `json:"setupComplete,omitempty"`
	Settings        *Settings  `json:"settings,omitempty"`
	CreateTime      *time.Time `json:"createTime,omitempty"`
	DeleteTime      *time.Time `json:"deleteTime,omitempty"`
	PurgeTime       *time.Time `json:"purgeTime,omitempty"`
	Etag            string     `json:"etag,omitempty"`
}

// Release is what a phone user gives back when a licence or package is removed.
type Release struct {
	PhoneUser       string   `json:"phoneUser"`
	DisplayName     string   `json:"displayName"`
	ExtensionNumber string   `json:"extensionNumber"`
	Package         string   `json:"package"`
	PhoneNumbers    []string `json:"phoneNumbers"`
	RecordCount     int      `json:"recordCount"`
}

// Notification is one mail to one person.
type Notification struct {
	Name      string `json:"name"`
	Recipient string `json:"recipient"`
	Kind      string `json:"kind"`
	State     string `json:"state"`
	Subject   string `json:"subject"`
	TextBody  string `json:"textBody"`
	Attempts  int    `json:"attempts"`
	LastError string `json:"lastError"`
	PhoneUser string `json:"phoneUser"`
}

// LogEntry is one change of a phone user.
type LogEntry struct {
	Name      string         `json:"name"`
	Kind      string         `json:"kind"`
	PhoneUser string         `json:"phoneUser"`
	Assignee  string         `json:"assignee"`
	Actor     string         `json:"actor"`
	RequestID string         `json:"requestId"`
	Before    map[string]any `json:"before"`
	After     map[string]any `json:"after"`
}

// Setup is what a person sees behind the link in a mail.
type Setup struct {
	DisplayName         string    `json:"displayName"`
	ExtensionNumber     string    `json:"extensionNumber"`
	PhoneNumbers        []string  `json:"phoneNumbers"`
	Settings            *Settings `json:"settings"`
	SetupComplete       bool      `json:"setupComplete"`
	ExtensionChangeable bool      `json:"extensionChangeable"`
	ExpireTime          time.Time `json:"expireTime"`
}

// AssignRequest is the body of phoneUsers:batchAssign.
type AssignRequest struct {
	Assignees    []string `json:"assignees"`
	Site         string   `json:"site,omitempty"`
	Package      string   `json:"package,omitempty"`
	Template     string   `json:"template,omitempty"`
	RequestID    string   `json:"requestId,omitempty"`
	ValidateOnly bool     `json:"validateOnly,omitempty"`
}
