-- Shared: whether a stored value is still the one that the caller read. The first bytes of an encrypted value differ with
-- each encryption, and are its version; "" is the version of no value. The script takes version_bytes.
local function is_unchanged(value, version)
  return string.sub(value or '', 1, version_bytes) == version
end
