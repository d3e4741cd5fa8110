package udpopt

import "fmt"

// ConfigError reports a field of a configuration that is out of range.
type ConfigError struct {
	Field string // the field's name
	Value any    // the value given
	Want  string // what it has to be
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("udpopt: %s is %v, want %s", e.Field, e.Value, e.Want)
}
