package event

// A Reason is why a record was refused: a bounded set, fit for a metric label
// and for the dead-letter record.
type Reason string

// The reasons of a Fault.
const (
	NullValue     Reason = "null_value"      // the record has no value
	TooLarge      Reason = "too_large"       // the record is over max_bytes
	InvalidUTF8   Reason = "invalid_utf8"    // the record is not UTF-8
	BadJSON       Reason = "bad_json"        // the record is not one JSON value
	NotObject     Reason = "not_object"      // the record is JSON, but no object
	TooDeep       Reason = "too_deep"        // nested deeper than DepthMax
	TooManyFields Reason = "too_many_fields" // more than FieldsMax members
	UnknownStream Reason = "unknown_stream"  // `stream` names none that is declared
	MissingField  Reason = "missing_field"   // a required field is missing or null
	MissingKey    Reason = "missing_key"     // a partition key field is missing or null
	WrongType     Reason = "wrong_type"      // a field has another JSON type
	NumberRange   Reason = "number_range"    // a number does not fit its type
	NotInteger    Reason = "not_integer"     // a fraction where an int is declared
	DecimalDigits Reason = "decimal_digits"  // more digits after the point than declared
	FieldTooLarge Reason = "field_too_large" // a text or list over FieldBytesMax
	BadTime       Reason = "bad_time"        // the event time is missing or makes no sense
	BadMagic      Reason = "bad_magic"       // the record names no schema
	UnknownSchema Reason = "unknown_schema"  // the schema registry has no schema of that id
	BadSchema     Reason = "bad_schema"      // the schema of that id is no Avro record
	BadAvro       Reason = "bad_avro"        // the record does not fit its schema
)

// A Fault says why a record cannot become an event. It holds no payload but
// the name of the field and the types at odds, so it may be logged.
type Fault struct {
	Reason Reason
	Field  string // declared name or raw path; "" when the whole record is meant
	Detail string // a sentence part for a person
}

// Text is the field and the detail.
func (f *Fault) Text() string {
	if f.Field == "" {
		return f.Detail
	}
	return f.Field + ": " + f.Detail
}

// Error returns the reason, the field and the detail on one line.
func (f *Fault) Error() string {
	return string(f.Reason) + ": " + f.Text()
}
