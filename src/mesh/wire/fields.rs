//! Numbers in packets, most significant octet first. What lies outside a packet reads as nothing and is not written.

pub(super) fn read<const N: usize>(packet: &[u8], at: usize) -> Option<[u8; N]> {
    packet.get(at..at.checked_add(N)?)?.try_into().ok()
}

pub(super) fn write<const N: usize>(packet: &mut [u8], at: usize, octets: [u8; N]) {
    if let Some(field) = packet.get_mut(at..at + N) {
        field.copy_from_slice(&octets);
    }
}
