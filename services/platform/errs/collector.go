package errs

// Collector gathers what is wrong with several items of a request into one error that names each of them. The zero value has
// nothing to say.
type Collector struct{ whole *Error }

// Add blames the item at field, a path in the request such as "assignees[17]" (empty for nobody in particular), and says what is
// wrong with it. whole is the error if this is the first item to blame; it is passed over otherwise.
func (c *Collector) Add(field, description string, whole *Error) {
	if c.whole == nil {
		c.whole = whole
	}
	if field != "" {
		_ = c.whole.Violation(field, description)
	}
}

// Whole returns the error; nil when nobody is to blame.
func (c *Collector) Whole() *Error { return c.whole }

// Err is Whole for callers that return an error: a nil *Error in an error would not be nil.
func (c *Collector) Err() error {
	if c.whole == nil {
		return nil
	}
	return c.whole
}
