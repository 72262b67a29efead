pub struct Guest;
