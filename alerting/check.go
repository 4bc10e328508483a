package alerting

import (
	"errors"
	"fmt"
	"io"

	"medfleet/alerting/paging"
	"medfleet/alerting/rules"
	"medfleet/profiles"
)

// Check says everything that is wrong with the configuration, without using it.
func (c *Config) Check(set *profiles.Set) error {
	_, wrongRules := rules.Load(c.Rules, set)
	_, wrongZone := location(c.Timezone)
	_, wrongChannels := paging.New(paging.Options{
		Channels: c.Channels, Means: paging.Means{Console: io.Discard, ExternalURL: c.ExternalURL},
	})
	if err := errors.Join(wrongRules, wrongZone, wrongChannels); err != nil {
		return fmt.Errorf("alerting: %w", err)
	}
	return nil
}
