"""What a readable SOAP envelope says: action, resource, identifiers, faults (MS-WSMV, DSP0226)."""
